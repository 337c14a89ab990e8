// Chosen colours are there before the page is painted.
document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "system";
