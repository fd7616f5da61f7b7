"""The calls that advis makes to consent."""
