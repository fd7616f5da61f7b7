"""Keys of persons, wrapped by the service's own: an erased key closes a person's openings for ever."""
