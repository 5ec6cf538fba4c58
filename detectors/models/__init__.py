"""Models that are trained apart from the methods that use them: what they hold, where they are, who trains them."""
