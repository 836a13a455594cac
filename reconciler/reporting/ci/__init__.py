"""Problems in the formats of CI systems."""
