// SimpleBar makes each scrolling area a region. Their names must differ.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-simplebar]").forEach((area, index) => {
    area.dataset.simplebarAriaLabel = area.closest("nav") ? "Menu" : `Scrolling area ${index}`
  })
})

// What opens over the page has a name too.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelector('nav[x-show="openUserLinks"]')?.setAttribute("aria-label", "Own account")
  const search = document.querySelector('[x-data="searchCommand()"]')
  search?.setAttribute("role", "dialog")
  search?.setAttribute("aria-label", "Search")
})

// Unfold hides the page until its scripts have run; a browser that draws before then gives the autofocus up.
addEventListener("load", () => {
  if (document.activeElement === document.body) document.querySelector("[aria-invalid], [autofocus]")?.focus()
})

// Some controls of the theme can be pressed by mouse alone. What they open gets the focus, and Escape gives it back.
const OPENED = {
  "filterOpen = true": "#changelist-filter",
  "openUserLinks = !openUserLinks": 'nav[x-show="openUserLinks"]',
}
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[x-on\\:click]:is(a:not([href]), div:not(:empty), span)").forEach((control) => {
    if (control.querySelector("a, button, input")) return
    control.setAttribute("role", "button")
    control.tabIndex = 0
    control.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return
      event.preventDefault()
      control.click()
    })
    const opened = document.querySelector(OPENED[control.getAttribute("x-on:click")] ?? "none")
    if (!opened) return
    let shown = false
    new ResizeObserver(() => {
      const shownBefore = shown
      shown = opened.checkVisibility()
      if (shown && !shownBefore) opened.querySelector("a, button, input:not([type=hidden])").focus()
    }).observe(opened)
    opened.addEventListener("keydown", (event) => {
      if (event.key === "Escape") control.focus()
    })
  })

  // Nor does the focus go under the filters.
  const filters = document.getElementById("changelist-filter")
  filters?.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !filters.contains(event.relatedTarget)) filters.firstElementChild.click()
  })
})
