/* Paper is white: a page is printed light, and is dark again afterwards. */
"use strict";

(() => {
  const page = document.documentElement;
  let theme = "";
  addEventListener("beforeprint", () => {
    theme = page.dataset.theme;
    page.dataset.theme = "light";
  });
  addEventListener("afterprint", () => (page.dataset.theme = theme));
})();
