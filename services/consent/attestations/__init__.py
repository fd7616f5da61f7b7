"""What a citizen says by telephone or in person, recorded by an employee, confirmed by a second one (U4)."""
