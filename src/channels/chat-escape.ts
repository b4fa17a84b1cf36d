/** How a text is written so that a chat service shows it as it is: one escape for each, wherever the text stands. */

/** Slack, "Formatting message text": the three characters to escape. Nothing is a mention or a link then. */
export function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/**
 * Characters that mean something in Markdown, Discord's and that of an Adaptive Card, and those that only do at the beginning
 * of a line, behind a backslash, which is not shown. Colons and slashes keep an address from being a link, or from showing a
 * preview.
 */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/[\\*_~`|<>[\]():/@]/g, '\\$&')
    .replace(/^(\s*)([#+-])/gm, '$1\\$2')
    .replace(/^(\s*\d*)\./gm, '$1\\.')
}
