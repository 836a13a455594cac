"""From a rule to a list: what a store answers, held against a selector."""
