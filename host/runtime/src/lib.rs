//! The data path: source and sink tasks.
