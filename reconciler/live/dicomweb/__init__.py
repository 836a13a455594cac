"""DICOMweb (PS3.18): what is asked, and what the answers say, whoever the provider is."""
