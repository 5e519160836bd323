(() => {
  const html = document.documentElement;
  const DAY_WIDTH = 50; // of the name of a day, in CSS pixels
  const linksOf = (chart) => (chart.canvas.dataset.links || "").split(" ");

  // The colour of the charts' text and lines follows the theme, with a contrast of 3:1 to the bars. Registered before
  // the theme's own observer, which redraws them.
  const colour = () => {
    const dark = html.classList.contains("dark");
    Chart.defaults.color = dark ? "#d1d5db" : "#4b5563";
    const line = dark ? "#f9fafb" : "#111827";
    Object.assign(Chart.defaults.elements.line, { borderColor: line, backgroundColor: line });
    Object.assign(Chart.defaults.elements.point, { borderColor: line, backgroundColor: line });
  };
  colour();
  new MutationObserver(colour).observe(html, { attributeFilter: ["class"] });

  const { callbacks } = Chart.defaults.plugins.tooltip;
  Chart.defaults.plugins.tooltip.filter = (item) => item.raw !== null; // or what is unknown would be 0
  const label = callbacks.label;
  callbacks.label = function (item) {
    return item.dataset.yAxisID === "unknown" ? item.dataset.label : label.call(this, item);
  };

  // Of days as many are named as have room, from the last one back: today always is.
  Chart.defaults.scales.category.afterBuildTicks = (scale) => {
    if (scale.axis !== "x") return;
    const last = scale.ticks.length - 1;
    const step = Math.ceil((scale.ticks.length * DAY_WIDTH) / scale.width);
    scale.ticks = scale.ticks.filter((_, index) => (last - index) % step === 0);
  };

  // A click on a day opens its list.
  Chart.defaults.onClick = (event, [day], chart) => {
    const link = day && linksOf(chart)[day.index];
    if (link) location.assign(link);
  };
  Chart.defaults.onHover = (event, [day], chart) => {
    chart.canvas.style.cursor = day && linksOf(chart)[day.index] ? "pointer" : "default";
  };

  // Marks the bars that are higher than the scale.
  Chart.register({
    id: "cut",
    afterDatasetsDraw(chart) {
      const { ctx, chartArea, data, scales } = chart;
      if (scales.y.type !== "linear") return;
      ctx.fillStyle = Chart.defaults.color;
      ctx.textAlign = "center";
      data.datasets.forEach((dataset, number) => {
        if (dataset.yAxisID) return;
        chart.getDatasetMeta(number).data.forEach((bar, index) => {
          if (dataset.data[index] > scales.y.max) ctx.fillText("▲", bar.x, chartArea.top - 2);
        });
      });
    },
  });
})();
