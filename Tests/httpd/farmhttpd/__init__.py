"""A real apache2, its configuration, its log, its members and its clients, for the tests beside it."""
