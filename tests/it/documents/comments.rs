//! The comments of the proto files, as Markdown.

use prost_reflect::FileDescriptor;

/// The comment at a path of a file, its lines joined to paragraphs.
pub(super) fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info.and_then(|info| info.location.iter().find(|it| it.path == path));
    let text = location.map_or("", |it| it.leading_comments());
    paragraphs(text)
}

/// What is said of a file as a whole: its first comment, which stands apart from everything else.
pub(super) fn comment_of_file(file: &FileDescriptor) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    // The path of `syntax` in a file's descriptor.
    let syntax = info.and_then(|info| info.location.iter().find(|it| it.path == [12]));
    paragraphs(syntax.map_or("", |it| it.leading_comments()))
}

fn paragraphs(text: &str) -> String {
    let mut paragraphs = vec![String::new()];
    for line in text.lines().map(str::trim) {
        let is_item = line.starts_with("- ");
        if line.is_empty() {
            paragraphs.push(String::new());
        } else if let Some(paragraph) = paragraphs.last_mut() {
            if !paragraph.is_empty() {
                paragraph.push(if is_item { '\n' } else { ' ' });
            }
            paragraph.push_str(line);
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs.join("\n\n")
}

/// A comment that fits into a cell of a table.
pub(super) fn in_a_cell(comment: &str) -> String {
    comment.replace('\n', " ").replace('|', "\\|")
}
