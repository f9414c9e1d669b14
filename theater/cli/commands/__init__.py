"""The commands by groups: their options, their help. What they do is imported when it is done."""
