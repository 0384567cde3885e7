// The report's interactive view: Gaussians drawn by Spark, the mesh by three. The data come as scripts, since a page on disk may
// not fetch; what is drawn is drawn again only when something changed.
import { SparkRenderer, SplatFileType, SplatMesh } from "@sparkjsdev/spark";
import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

const RADIUS = 1.5; // of the orbit that the views are rendered from, in units of the world
const FOCAL = 0.8; // of its cameras, in widths of a picture
const BLUR = 0.3; // square pixels that training adds to each splat
const GRAY = 0xb9bcc4;
const HELP = "Drag or arrow keys turn it; pinch, ctrl + wheel, + or − zoom.";

// Loads a script and gives what it left for `kind`: read at once, since the next script may be that of another view.
function load(kind, source) {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.onload = () => resolve(window.hgmData[kind]);
    element.onerror = () => reject(new Error("its data are missing beside this page"));
    element.src = source;
    document.head.append(element);
  });
}

async function bytes(kind, source) {
  return Uint8Array.from(atob(await load(kind, source)), (c) => c.charCodeAt(0));
}

async function gaussians(source) {
  const splats = new SplatMesh({ fileBytes: await bytes("gaussians", source), fileType: SplatFileType.SPZ });
  await splats.initialized;
  return splats;
}

async function mesh(source) {
  const unzipped = new Blob([await bytes("mesh", source)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { scene } = await new GLTFLoader().parseAsync(await new Response(unzipped).arrayBuffer(), "");
  scene.traverse((part) => {
    if (part.isMesh) part.material = new THREE.MeshLambertMaterial({ vertexColors: true, side: THREE.DoubleSide });
  });
  return scene;
}

// Puts a canvas over the film in `box` (see templates/parts.html.j2) and shows what its buttons ask for.
async function mount(box) {
  const screen = box.querySelector(".screen"), note = box.querySelector(".note"), buttons = [...box.querySelectorAll("[data-mode]")];
  const renderer = new THREE.WebGLRenderer({ antialias: window.devicePixelRatio < 2 });
  renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
  renderer.setClearColor(0xffffff, 1);
  const canvas = renderer.domElement, scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera(45, 1, 0.05, 20);
  const spark = new SparkRenderer({ renderer, onDirty: ask, sortRadial: false, maxStdDev: 3 });
  const light = new THREE.DirectionalLight(0xffffff, 3);
  light.position.set(1.2, 1, 0.9);
  camera.add(light);
  scene.add(spark, camera, new THREE.HemisphereLight(0xffffff, 0x9aa0b0, 0.9));

  const controls = new OrbitControls(camera, canvas);
  Object.assign(controls, { enablePan: false, minDistance: 0.3, maxDistance: 4, rotateSpeed: 0.8 });
  camera.position.setFromSphericalCoords(1.1 * RADIUS, Math.PI / 2 - 0.06, 0.45);
  controls.update();
  controls.addEventListener("change", ask);
  // a page is scrolled by wheel and finger: the view takes the wheel only with ctrl, and a finger only sideways or with a second
  canvas.style.touchAction = "pan-y";
  canvas.addEventListener("wheel", (event) => (controls.enableZoom = event.ctrlKey), { capture: true, passive: true });
  canvas.addEventListener("pointerdown", () => (controls.enableZoom = true), { capture: true });
  canvas.addEventListener("keydown", (event) => {
    const place = new THREE.Spherical().setFromVector3(camera.position);
    const turn = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
    if (turn) [place.theta, place.phi] = [place.theta + turn[0], place.phi + turn[1]];
    else if ("+-".includes(event.key)) place.radius *= event.key === "+" ? 0.87 : 1.15;
    else return;
    event.preventDefault();
    place.radius = Math.min(Math.max(place.radius, controls.minDistance), controls.maxDistance);
    camera.position.setFromSpherical(place.makeSafe());
    controls.update();
    ask();
  });

  const things = {};
  let mode = "", asked = false;
  function draw() {
    asked = false;
    const { clientWidth: width, clientHeight: height } = screen;
    if (!width || !height || !mode) return;
    const size = renderer.getSize(new THREE.Vector2());
    if (size.x !== width || size.y !== height) renderer.setSize(width, height);
    camera.aspect = width / height;
    const seen = Math.min(height, 1.25 * width); // of a high and narrow view, a part is as wide as the rig's picture
    camera.fov = THREE.MathUtils.radToDeg(2 * Math.atan((0.5 / FOCAL) * (height / seen)));
    camera.updateProjectionMatrix();
    // the blur of a pixel of the training pictures, so that no gaps show between splats that were trained with it
    const pixels = (seen * renderer.getPixelRatio() * RADIUS) / (Number(box.dataset.size) * camera.position.length());
    spark.preBlurAmount = BLUR * Math.max(1, pixels ** 2);
    renderer.render(scene, camera);
    if (mode !== "gaussians" || spark.activeSplats > 0) box.dataset.drawn = mode;
  }
  function ask() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(draw);
  }
  async function show(wanted) {
    const kind = { gaussians: "gaussians", mesh: "mesh", shape: "mesh" }[wanted];
    if (kind && !things[kind]) {
      const made = await (kind === "mesh" ? mesh(box.dataset.mesh) : gaussians(box.dataset.gaussians));
      things[kind] ??= made;
      scene.add(things[kind]);
    }
    mode = wanted;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    box.classList.toggle("live", Boolean(kind)); // the film lies under the canvas
    note.textContent = kind ? HELP : "";
    if (!kind) return;
    for (const [name, thing] of Object.entries(things)) thing.visible = name === kind;
    things.mesh?.traverse((part) => {
      if (!part.isMesh) return;
      part.material.vertexColors = mode === "mesh";
      part.material.color.set(mode === "mesh" ? 0xffffff : GRAY);
      part.material.needsUpdate = true;
    });
    const label = buttons.find((button) => button.dataset.mode === mode).textContent;
    canvas.setAttribute("aria-label", `${box.dataset.name}, ${label}: arrow keys turn it, plus and minus zoom`);
    ask();
  }
  const tell = (error) => (note.textContent = `The interactive view does not run here: ${error.message}`);

  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  await show(buttons[0].dataset.mode);
  screen.append(canvas);
  box.classList.add("ready");
  for (const button of buttons) button.addEventListener("click", () => show(button.dataset.mode).catch(tell));
  canvas.addEventListener("webglcontextlost", () => {
    box.classList.remove("live", "ready");
    tell(new Error("the graphics card was taken away"));
  });
  new ResizeObserver(ask).observe(screen);
}

window.hgmViewer = mount;
