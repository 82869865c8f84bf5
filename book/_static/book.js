// The pages work without this file. It helps the keyboard and older browsers' printing.

// A block that scrolls sideways must be reachable from the keyboard, and one that does not scroll
// must not be. Whether it scrolls changes with the window and when a tab or an answer opens.
const blocks = "pre, .diagram-drawing, .pst-scrollable-table-container";

document.addEventListener("DOMContentLoaded", () => {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  for (const block of document.querySelectorAll(blocks)) observer.observe(block);
});

// Browsers without ::details-content (see book.css) print closed answers only if they are opened.
window.addEventListener("beforeprint", () => {
  if (CSS.supports("selector(::details-content)")) return;
  for (const answer of document.querySelectorAll("article details")) answer.open = true;
});
