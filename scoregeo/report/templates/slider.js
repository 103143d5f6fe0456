"use strict";
for (const scrub of document.querySelectorAll("details.scrub")) {
  const stage = scrub.querySelector(".stage");
  const slider = stage.querySelector("input");
  const output = stage.querySelector("output");
  const last = Number(scrub.dataset.columns) - 1;
  const sheet = `url(${scrub.querySelector("img.sheet").src})`;
  const show = () => {
    const way = last > 0 ? Number(slider.value) / last : 0;
    const told = `${Math.round(100 * way)} % of the way`;
    for (const frame of stage.querySelectorAll(".frame")) frame.style.backgroundPositionX = `${100 * way}%`;
    output.textContent = told;
    slider.setAttribute("aria-valuetext", told);
  };
  for (const frame of stage.querySelectorAll(".frame")) frame.style.backgroundImage = sheet;
  stage.hidden = false;
  scrub.querySelector("details.strip").open = false;
  slider.addEventListener("input", show);
  show();
}
