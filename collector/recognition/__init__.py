"""From a sample of messages to the [[subscribe]] rules that read it, each guess with its reason, and their trial."""
