//! A mistyped command gets the one that was probably meant, by the same measure as mistyped keys
//! of a plan. Clap's own measure passes over swapped letters, such as `rnu`.

use clap::error::{ContextKind, ContextValue};

use crate::plan::nearest;

/// Adds the closest command to an error about an unknown one, where clap found none.
pub fn suggest_command(error: &mut clap::Error, whole: &clap::Command) {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return;
    };
    let commands = whole.get_subcommands().map(clap::Command::get_name);
    let near = nearest(word, commands).map(str::to_owned);
    if let (Some(near), None) = (near, error.get(ContextKind::SuggestedSubcommand)) {
        let near = ContextValue::Strings(vec![near]);
        error.insert(ContextKind::SuggestedSubcommand, near);
    }
}
