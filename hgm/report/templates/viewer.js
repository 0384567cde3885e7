"use strict";
// Draws packed Gaussians (see hgm/report/splats.py) with WebGL 2: sorted by depth, blended back to front, over white.
(() => {
  const BYTES = 17, LOW = -10, HIGH = 0, WIDTH = 1024, TEXELS = 3, FOCAL = 1.6, RADIUS = 1.5;
  const VERTEX = `#version 300 es
precision highp float;
precision highp int;
uniform highp sampler2D table;
uniform mat3 turn;
uniform vec3 shift;
uniform vec2 focal, size;
in uint index;
out vec2 offset;
out vec4 paint;
vec4 texel(uint i, uint k) { uint t = i * ${TEXELS}u + k; return texelFetch(table, ivec2(t % ${WIDTH}u, t / ${WIDTH}u), 0); }
void main() {
  vec4 a = texel(index, 0u), b = texel(index, 1u), c = texel(index, 2u);
  vec3 p = turn * a.xyz + shift;
  gl_Position = vec4(0.0, 0.0, 2.0, 1.0);
  if (p.z < 0.1) return;
  mat3 s = mat3(a.w, b.x, b.y, b.x, b.z, b.w, b.y, b.w, c.x);
  vec2 f = focal * size * 0.5;
  mat3 j = mat3(f.x / p.z, 0.0, 0.0, 0.0, f.y / p.z, 0.0, -f.x * p.x / (p.z * p.z), -f.y * p.y / (p.z * p.z), 0.0);
  mat3 m = j * turn;
  mat3 v = m * s * transpose(m);
  float xx = v[0][0] + 0.3, yy = v[1][1] + 0.3, xy = v[0][1];
  float middle = 0.5 * (xx + yy), spread = length(vec2(0.5 * (xx - yy), xy));
  float l1 = middle + spread, l2 = max(middle - spread, 0.1);
  vec2 axis = abs(xy) < 1e-6 ? (xx >= yy ? vec2(1.0, 0.0) : vec2(0.0, 1.0)) : normalize(vec2(xy, l1 - xx));
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0;
  offset = corner * 3.0;
  vec2 pixels = offset.x * sqrt(l1) * axis + offset.y * sqrt(l2) * vec2(-axis.y, axis.x);
  gl_Position = vec4(focal * p.xy / p.z + pixels * 2.0 / size, 0.0, 1.0);
  uint rgba = floatBitsToUint(c.y);
  paint = vec4(rgba & 255u, (rgba >> 8) & 255u, (rgba >> 16) & 255u, 0.0) / 255.0;
  paint.a = c.z;
}`;
  const FRAGMENT = `#version 300 es
precision highp float;
in vec2 offset;
in vec4 paint;
out vec4 colour;
void main() {
  float alpha = min(0.99, paint.a * exp(-0.5 * dot(offset, offset)));
  if (alpha < 1.0 / 255.0) discard;
  colour = vec4(paint.rgb * alpha, alpha);
}`;

  function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed.data), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer), count = packed.count;
    const rows = Math.ceil((count * TEXELS) / WIDTH);
    const table = new Float32Array(WIDTH * rows * 4), words = new Uint32Array(table.buffer);
    const centres = new Float32Array(count * 3);
    for (let i = 0; i < count; i++) {
      const o = i * BYTES, t = i * TEXELS * 4, s = [], q = [];
      for (let k = 0; k < 3; k++) {
        centres[i * 3 + k] = table[t + k] = (view.getUint16(o + 2 * k, true) / 65535) * 2 - 1;
        s.push(Math.exp(2 * (LOW + (bytes[o + 6 + k] / 255) * (HIGH - LOW))));
      }
      for (let k = 0; k < 4; k++) q.push(view.getInt8(o + 9 + k));
      const n = Math.hypot(...q) || 1, [w, x, y, z] = q.map((v) => v / n);
      const r = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)];
      const cov = (a, b) => r[3 * a] * s[0] * r[3 * b] + r[3 * a + 1] * s[1] * r[3 * b + 1] + r[3 * a + 2] * s[2] * r[3 * b + 2];
      table.set([cov(0, 0), cov(0, 1), cov(0, 2), cov(1, 1), cov(1, 2), cov(2, 2)], t + 3);
      // the high byte stays below the exponents of NaN, which a driver may rewrite
      words[t + 9] = bytes[o + 13] | (bytes[o + 14] << 8) | (bytes[o + 15] << 16) | (64 << 24);
      table[t + 10] = bytes[o + 16] / 255;
    }
    return { count, rows, table, centres };
  }

  function program(gl) {
    const made = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(made, shader);
    }
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
    return made;
  }

  // Indices from far to near, by a counting sort over 16 bits of depth.
  function sorter(centres, count) {
    const keys = new Uint16Array(count), depth = new Float32Array(count), order = new Uint32Array(count), bins = new Uint32Array(65537);
    return (x, y, z) => {
      let low = Infinity, high = -Infinity;
      for (let i = 0; i < count; i++) {
        const d = (depth[i] = x * centres[3 * i] + y * centres[3 * i + 1] + z * centres[3 * i + 2]);
        if (d < low) low = d;
        if (d > high) high = d;
      }
      const scale = 65535 / Math.max(high - low, 1e-9);
      bins.fill(0);
      for (let i = 0; i < count; i++) {
        keys[i] = (high - depth[i]) * scale;
        bins[keys[i] + 1]++;
      }
      for (let b = 0; b < 65536; b++) bins[b + 1] += bins[b];
      for (let i = 0; i < count; i++) order[bins[keys[i]]++] = i;
      return order;
    };
  }

  function start(box, packed) {
    const canvas = box.querySelector("canvas"), hint = box.querySelector(".hint");
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: false, preserveDrawingBuffer: true });
    if (!gl) {
      hint.textContent = "This browser has no WebGL 2: see the turntable instead.";
      return;
    }
    const { count, rows, table, centres } = unpack(packed), sort = sorter(centres, count), made = program(gl);
    gl.useProgram(made);
    const at = (name) => gl.getUniformLocation(made, name);
    const turn = at("turn"), shift = at("shift"), focal = at("focal"), size = at("size");
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, WIDTH, rows, 0, gl.RGBA, gl.FLOAT, table);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    const index = gl.getAttribLocation(made, "index");
    gl.enableVertexAttribArray(index);
    gl.vertexAttribIPointer(index, 1, gl.UNSIGNED_INT, 0, 0);
    gl.vertexAttribDivisor(index, 1);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.clearColor(1, 1, 1, 1);

    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let yaw = -0.5, pitch = 0.08, zoom = 1, spinning = !still, visible = false, asked = false, last = 0;
    function draw() {
      const scale = Math.min(window.devicePixelRatio || 1, 2);
      const w = Math.max(1, Math.round(canvas.clientWidth * scale)), h = Math.max(1, Math.round(canvas.clientHeight * scale));
      if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
      gl.viewport(0, 0, w, h);
      const cy = Math.cos(yaw), sy = Math.sin(yaw), cp = Math.cos(pitch), sp = Math.sin(pitch);
      // rows of the rotation: right, up, forward (into the picture)
      const right = [cy, 0, -sy], up = [-sp * sy, cp, -sp * cy], forward = [-cp * sy, -sp, -cp * cy];
      gl.uniformMatrix3fv(turn, false, [0, 1, 2].flatMap((k) => [right[k], up[k], forward[k]]));
      gl.uniform3f(shift, 0, 0, RADIUS / zoom);
      const tall = FOCAL * Math.min(1, (1.25 * w) / h);
      gl.uniform2f(focal, (tall * h) / w, tall);
      gl.uniform2f(size, w, h);
      gl.bufferData(gl.ARRAY_BUFFER, sort(...forward), gl.DYNAMIC_DRAW);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, count);
      box.dataset.drawn = "yes";
    }
    function frame(now) {
      asked = false;
      if (!visible) return;
      if (spinning) yaw += Math.min(now - last, 100) * 0.0004;
      last = now;
      draw();
      if (spinning) ask();
    }
    function ask() {
      if (!asked) {
        asked = true;
        requestAnimationFrame(frame);
      }
    }
    function turnBy(dx, dy) {
      spinning = false;
      hint.hidden = true;
      yaw -= dx;
      pitch = Math.max(-1.4, Math.min(1.4, pitch + dy));
      ask();
    }
    function zoomBy(factor) {
      zoom = Math.max(0.5, Math.min(5, zoom * factor));
      ask();
    }
    const fingers = new Map();
    canvas.addEventListener("pointerdown", (e) => {
      fingers.set(e.pointerId, e);
      canvas.setPointerCapture(e.pointerId);
    });
    canvas.addEventListener("pointermove", (e) => {
      const before = fingers.get(e.pointerId);
      if (!before) return;
      const others = [...fingers.values()].filter((f) => f.pointerId !== e.pointerId);
      if (others.length) {
        const gap = (f) => Math.hypot(f.clientX - others[0].clientX, f.clientY - others[0].clientY) || 1;
        zoomBy(gap(e) / gap(before));
      } else turnBy((e.clientX - before.clientX) * 0.01, (e.clientY - before.clientY) * 0.01);
      fingers.set(e.pointerId, e);
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (e) => fingers.delete(e.pointerId));
    canvas.addEventListener("wheel", (e) => {
      if (!e.ctrlKey) return;
      e.preventDefault();
      zoomBy(Math.exp(-e.deltaY * 0.005));
    }, { passive: false });
    canvas.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[e.key];
      if (step) turnBy(...step);
      else if (e.key === "+" || e.key === "-") zoomBy(e.key === "+" ? 1.15 : 1 / 1.15);
      else return;
      e.preventDefault();
    });
    new IntersectionObserver((entries) => {
      visible = entries[entries.length - 1].isIntersecting;
      if (visible) ask();
    }).observe(canvas);
    new ResizeObserver(ask).observe(canvas);
    draw(); // at once: an undrawn canvas is black
  }

  // The data comes as a script, since a page on disk may not fetch; it is loaded when the viewer is about to be seen.
  function load(box) {
    const { key, script } = box.dataset, hint = box.querySelector(".hint");
    const element = document.createElement("script");
    element.src = script;
    element.onload = () => {
      try {
        start(box, window.hgmSplats[key]);
      } catch (error) {
        hint.textContent = `The viewer does not run here: ${error.message}`;
      }
    };
    element.onerror = () => (hint.textContent = "The viewer's data is missing beside this page.");
    document.body.append(element);
  }
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      load(entry.target);
    }
  }, { rootMargin: "300px" });
  for (const box of document.querySelectorAll(".viewer")) near.observe(box);
  for (const video of document.querySelectorAll("video")) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) video.pause();
    const flip = () => (video.paused ? video.play() : video.pause());
    video.addEventListener("click", flip);
    video.addEventListener("keydown", (e) => e.key === " " && (e.preventDefault(), flip()));
  }
})();
