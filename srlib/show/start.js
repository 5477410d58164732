// Opens every loupe of the page that stands there as plain pictures. The last part that viewer.py joins.
const scope = document.currentScript?.getRootNode() ?? document;
for (const host of scope.querySelectorAll(".srlib-loupe:not([data-ready])")) {
  host.dataset.ready = "";
  const images = [...host.querySelectorAll("img[data-title]")], options = JSON.parse(host.dataset.options);
  Promise.all(images.map((img) => img.decode())).then(() => loupe(host, images.map(readPicture), options))
    .catch(() => delete host.dataset.ready);  // the plain pictures stay
}
