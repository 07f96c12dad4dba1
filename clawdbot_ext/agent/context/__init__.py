"""The request to the model: prompt, history, compaction, attachments."""
