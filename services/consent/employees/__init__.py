"""Who an employee is, whom they may act for (need-to-know), and the record of what is refused them."""
