"""What is compared with: exact rationals, known spectra, matrices of the Matrix Market, a dense transcription."""
