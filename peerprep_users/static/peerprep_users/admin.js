// SimpleBar makes each scrolling area a region. Their names must differ.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-simplebar]").forEach((area, index) => {
    area.dataset.simplebarAriaLabel = area.closest("nav") ? "Menu" : `Scrolling area ${index}`
  })
})
