//! The log: one line an event, on standard error.
//!
//! A line says which connector and task it is about. That comes from the event's own fields
//! `connector` and `task` or else from the spans around it, so code below need not know.
