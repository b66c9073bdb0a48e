"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const frames = data.frames;
  const get = (id) => document.getElementById(id);
  const slider = get("time"), play = get("play"), told = get("told"), under = get("under");
  const images = { map: get("map"), lines: get("lines"), image: get("image") };
  const pixels = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  let chosen = 0, timer = 0;

  function show(time) {
    const frame = frames[time];
    for (const name in images) images[name].src = frame[name];
    told.textContent = frame.text;
    slider.value = time;
    document.querySelectorAll("line.now").forEach((line) => {
      line.setAttribute("x1", frame.x);
      line.setAttribute("x2", frame.x);
    });
  }

  function choose(track) {
    chosen = track;
    document.body.classList.toggle("choosing", track > 0);
    document.querySelectorAll("[data-track]").forEach((part) => {
      part.classList.toggle("on", Number(part.dataset.track) === track);
    });
  }

  function trackAt(event) {
    const box = event.currentTarget.getBoundingClientRect(), image = images.map;
    const x = Math.floor((event.clientX - box.left) / box.width * image.naturalWidth);
    const y = Math.floor((event.clientY - box.top) / box.height * image.naturalHeight);
    pixels.canvas.width = image.naturalWidth;
    pixels.canvas.height = image.naturalHeight;
    pixels.drawImage(image, 0, 0);
    const [r, g, b] = pixels.getImageData(x, y, 1, 1).data;
    return data.names[`${r},${g},${b}`] || 0;
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  }

  slider.max = frames.length - 1;
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    play.textContent = "Stop";
    timer = setInterval(() => show((Number(slider.value) + 1) % frames.length), Math.max(120, Math.min(500, 6000 / frames.length)));
  });
  document.querySelectorAll(".picture").forEach((picture) => {
    picture.addEventListener("pointermove", (event) => {
      const track = trackAt(event);
      under.textContent = track ? `track ${track}` : "";
    });
    picture.addEventListener("pointerleave", () => { under.textContent = chosen ? `track ${chosen}` : ""; });
    picture.addEventListener("click", (event) => { const track = trackAt(event); choose(track === chosen ? 0 : track); });
  });
  document.querySelectorAll("[data-track]").forEach((part) => {
    const track = Number(part.dataset.track);
    if (!track) return;
    part.addEventListener("click", () => {
      choose(track === chosen && part.dataset.frame === undefined ? 0 : track);
      under.textContent = chosen ? `track ${chosen}` : "";
      if (part.dataset.frame !== undefined) { stop(); show(Number(part.dataset.frame)); }
    });
  });
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target === slider) return;
    stop();
    show(Math.max(0, Math.min(frames.length - 1, Number(slider.value) + step)));
  });
  show(frames.length - 1);
})();
