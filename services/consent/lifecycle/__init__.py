"""Ages, deaths, moves, custody and case closures: facts from the bus and days that come, and what they end."""
