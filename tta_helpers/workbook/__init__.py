"""What runs the lessons and batches of this workbook; nothing of it is needed for other models."""
