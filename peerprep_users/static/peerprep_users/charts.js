// The colour of the charts' text follows the theme. Registered before the theme's own observer, which redraws them.
(() => {
  const html = document.documentElement;
  const colour = () => {
    Chart.defaults.color = html.classList.contains("dark") ? "#d1d5db" : "#4b5563";
  };
  colour();
  new MutationObserver(colour).observe(html, { attributeFilter: ["class"] });
})();
