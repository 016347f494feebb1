"""What came of it, for people, for machines and for CI: text, ConformanceReport, JUnit, HTML."""
