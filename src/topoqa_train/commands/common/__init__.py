"""What several commands share: options, completion, and the session around a training."""
