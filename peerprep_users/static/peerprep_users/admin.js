// SimpleBar makes each scrolling area a region. Their names must differ.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-simplebar]").forEach((area, index) => {
    area.dataset.simplebarAriaLabel = area.closest("nav") ? "Menu" : `Scrolling area ${index}`
  })
})

// Unfold hides the page until its scripts have run; a browser that draws before then gives the autofocus up.
addEventListener("load", () => {
  if (document.activeElement === document.body) document.querySelector("[autofocus]")?.focus()
})
