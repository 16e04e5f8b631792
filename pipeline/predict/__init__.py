"""Using a trained model: from pictures and boxes to scored interactions."""
