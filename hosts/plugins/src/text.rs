//! What a plug-in chose, made harmless before a person sees it.
//! Notice that a terminal takes some characters for commands, and that none of them get there.
//! Run: just run plugins

/// Characters of what is said of a plug-in in one line.
const LONGEST_LINE: usize = 500;

/// Text that commands no terminal: control characters are spelled out, but for the ends of lines and
/// tabs.
pub fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => harmless.push(letter),
            letter if letter.is_control() => harmless.extend(letter.escape_default()),
            letter => harmless.push(letter),
        }
    }
    harmless
}

/// The same in one line, which is cut off where it is too long.
pub fn one_line(text: &str) -> String {
    let mut letters = harmless(text.trim()).replace(['\n', '\t'], " ");
    if let Some((end, _)) = letters.char_indices().nth(LONGEST_LINE) {
        letters.truncate(end);
        letters.push('…');
    }
    letters
}
