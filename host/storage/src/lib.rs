//! Config, offset and status backing stores.
