"""The probe origin: it answers what the request asks for and keeps what it saw."""
