//! The cause of an error, for messages: libraries wrap what happened in what they were doing.

/// The deepest cause of an error, which is the one that says something.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
