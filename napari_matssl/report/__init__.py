"""The report of a measurement: a page, a PDF and a workbook of the same tables."""
