// SimpleBar makes each scrolling area a region. Their names must differ.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-simplebar]").forEach((area, index) => {
    area.dataset.simplebarAriaLabel = area.closest("nav") ? "Menu" : `Scrolling area ${index}`
  })
})

// Unfold hides the page until its scripts have run; a browser that draws before then gives the autofocus up.
addEventListener("load", () => {
  if (document.activeElement === document.body) document.querySelector("[aria-invalid], [autofocus]")?.focus()
})

// Some controls of the theme can be pressed by mouse alone. What they open gets the focus.
const OPENED = {
  "filterOpen = true": "#changelist-filter",
  "openUserLinks = !openUserLinks": "nav:has(#logout-form)",
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
      const opened = OPENED[control.getAttribute("x-on:click")]
      if (opened) setTimeout(() => document.querySelector(`${opened} :is(a, button, input)`)?.focus(), 100)
    })
  })
})
