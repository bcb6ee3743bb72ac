//! bench stub
use crate::Selection;
pub(crate) fn command(_s: &Selection) -> Result<bool, String> {
    Ok(true)
}
