"""What people look at: tables from records."""
