"""What the integration tests are made of; nothing here knows how the program is built inside."""
