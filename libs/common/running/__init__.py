"""A process while it runs: settings, loops, health, alarms, retention."""
