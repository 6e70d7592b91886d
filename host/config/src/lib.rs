//! The configuration file: model, schema, errors with spans, and the plan made of it.
