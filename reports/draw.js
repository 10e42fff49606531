// Draws every figure of the page; the figures themselves are JSON, so nothing here is generated.
const buttons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]];
for (const place of document.querySelectorAll(".plot")) {
  const figure = JSON.parse(place.querySelector("script").textContent);
  place.textContent = "";
  // Without a drag mode a finger scrolls the page; the bar above a plot turns zooming on.
  figure.layout.dragmode = false;
  Plotly.newPlot(place, figure.data, figure.layout, {
    responsive: true, displaylogo: false, modeBarButtons: buttons, doubleClick: "reset",
  });
}
