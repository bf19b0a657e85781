"""What `rulemill serve --demo` needs to have something to show: people, items, and what they do."""
