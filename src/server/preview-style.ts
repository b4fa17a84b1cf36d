/** How the page of a preview looks. A mail's frames are 375 pixels wide as on a phone, and 640 or more as on a desk. */
export const PREVIEW_STYLE = `
:root { color-scheme: light dark; --line: light-dark(#e4e2dd, #34363b); --soft: light-dark(#65635d, #a8a8a2);
  --ink: light-dark(#1d1c1a, #ecebe7); --paper: light-dark(#fbfaf7, #17181a); --card: light-dark(#fff, #202226);
  --accent: light-dark(#8a5a00, #f0b955); --on-accent: light-dark(#fff, #1d1c1a); --wash: light-dark(#f3f0e9, #2a2c31) }
* { box-sizing: border-box }
html { scroll-behavior: smooth }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 72rem; margin: 0 auto; padding: 2.5rem 1.5rem 5rem }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; letter-spacing: -.015em; overflow-wrap: anywhere; text-wrap: balance }
h2 { margin: 0 0 1rem; font-size: 1.15rem; letter-spacing: -.01em }
h3 { margin: 1.5rem 0 .5rem; font-size: .8rem; font-weight: 600; color: var(--soft) }
details { margin-top: .75rem }
summary { width: fit-content; cursor: pointer; font-size: .8rem; font-weight: 600; color: var(--soft) }
summary:hover { color: var(--ink) }
details pre { margin-top: .5rem }
p { margin: 0; overflow-wrap: anywhere }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 3px }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px }
.what { margin-bottom: .25rem; font-size: .8rem; font-weight: 600; color: var(--accent) }
.about { margin-top: .5rem; color: var(--soft); font-size: .9rem }
.refused { margin-top: 1rem; max-width: 44rem }
nav { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: 1.5rem }
nav a { padding: .25rem .8rem; border: 1px solid var(--line); border-radius: 2rem; background: var(--card); color: inherit; font-size: .9rem; text-decoration: none }
nav a:hover { background: var(--wash) }
section { margin-top: 2.5rem; padding-top: 2rem; border-top: 1px solid var(--line); scroll-margin-top: 1rem }
.subject { font-weight: 600 }
.subject span { margin-right: .5rem; color: var(--soft); font-weight: 400 }
.choices { display: flex; flex-wrap: wrap; align-items: center; gap: .75rem 1.5rem; margin: 1rem 0 }
.choices .about { margin: 0 }
fieldset { display: flex; margin: 0; padding: 3px; border: 0; border-radius: 10px; background: var(--wash) }
legend { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
fieldset label { position: relative; padding: .25rem .9rem; border-radius: 8px; font-size: .9rem; cursor: pointer; color: var(--soft) }
fieldset input { position: absolute; inset: 0; margin: 0; opacity: 0; cursor: pointer }
fieldset label:has(:checked) { background: var(--card); color: var(--ink); box-shadow: 0 0 0 1px var(--line) }
fieldset label:has(:focus-visible) { outline: 2px solid var(--accent); outline-offset: 2px }
.frames { display: flex; gap: 2rem; align-items: flex-start; overflow-x: auto }
iframe { display: none; flex: none; height: 48rem; border: 1px solid var(--line); border-radius: 12px; resize: vertical }
iframe.desktop { flex: 1; min-width: 640px }
iframe.phone { width: 377px; border-radius: 28px }
iframe.light { background: #fff; color-scheme: light }
iframe.dark { background: #121212; color-scheme: dark }
section:has([value=desktop]:checked):has([value=light]:checked) .desktop.light,
section:has([value=desktop]:checked):has([value=dark]:checked) .desktop.dark,
section:has([value=phone]:checked):has([value=light]:checked) .phone.light,
section:has([value=phone]:checked):has([value=dark]:checked) .phone.dark { display: block }
@media (min-width: 70rem) {
  .widths { display: none }
  section:has([value=light]:checked) iframe.light, section:has([value=dark]:checked) iframe.dark { display: block }
}
pre { margin: 0; padding: 1rem 1.15rem; max-width: 46rem; border: 1px solid var(--line); border-radius: 12px; background: var(--card); font: .875rem/1.6 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere }
.card { max-width: 30rem; padding: 1rem 1.15rem; border: 1px solid var(--line); border-radius: 14px; background: var(--card) }
.card .title { font-weight: 600 }
.text, .bubble { white-space: pre-line }
.card .title + .text { margin-top: .15rem }
.bubble { width: fit-content; max-width: min(30rem, 100%); padding: .7rem 1rem; border-radius: 18px 18px 18px 4px; background: var(--wash) }
.row { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; margin-top: .9rem }
.button { display: inline-block; padding: .35rem .9rem; border-radius: 8px; background: var(--accent); color: var(--on-accent); font-size: .9rem; font-weight: 600; text-decoration: none }
.chat { max-width: 40rem }
.chat > * + * { margin-top: .75rem }
.chat p { white-space: pre-line }
.chat .heading { font-size: 1.1rem; font-weight: 600 }
.chat .subtle { color: var(--soft); font-size: .875rem }
.chat ul, .chat ol { margin-bottom: 0; padding-left: 1.5rem }
.chat blockquote { margin-left: 0; margin-right: 0; padding-left: .9rem; border-left: 3px solid var(--line); white-space: pre-line }
.chat pre { background: var(--wash) }
.chat img { display: block; max-width: 100%; max-height: 20rem; border-radius: 8px }
.chat hr { height: 1px; border: 0; background: var(--line) }
code { padding: .1em .3em; border-radius: 4px; background: var(--wash); font: .9em ui-monospace, monospace }
dl { margin: 0; display: grid; gap: .5rem; max-width: 46rem }
dl div { display: grid; grid-template-columns: 9rem 1fr; gap: 1rem }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
@media (max-width: 34rem) {
  main { padding: 1.5rem 1rem 3rem }
  h1 { font-size: 1.4rem }
  section { margin-top: 2rem; padding-top: 1.5rem }
  .frames { margin: 0 -1rem }
  iframe { height: 36rem }
  iframe.phone { max-width: 100%; margin: 0 auto }
  dl div { grid-template-columns: 1fr; gap: 0 }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto } }
`
