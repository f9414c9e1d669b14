"""The broker process: mailboxes, routing and the log. It commits first, then releases."""
