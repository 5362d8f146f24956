"""What people see. A page is widgets, a frozen spec, one call into core, and charts."""
