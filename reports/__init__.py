"""What a person looks at: tables, plots and a page, all made from the records of a run."""
