// Shows the chat in a cell. Small on purpose: this text is part of the widget's state, so it is saved with notebooks.
// The chat itself comes from the Jupyter server this page is from, or, where that one has none, from the kernel.
let loading;

function server() {
  const config = document.getElementById("jupyter-config-data")?.textContent;
  const base = config && JSON.parse(config).baseUrl;
  if (!base) throw new Error("not a page of Jupyter");
  return new URL(`${base.replace(/\/?$/, "/")}clawdbot/`, location.href).href;
}

async function fromServer() {
  const base = server();
  return { base, embed: await import(/* @vite-ignore */ `${base}embed.js`) };
}

function fromKernel(model) {
  return new Promise((resolve, reject) => {
    model.on("msg:custom", function got(message, buffers) {
      if (message.kind !== "bundle") return;
      model.off("msg:custom", got);
      const url = URL.createObjectURL(new Blob([buffers[0]], { type: "text/javascript" }));
      import(/* @vite-ignore */ url).then((embed) => resolve({ embed }), reject);
    });
    model.send({ kind: "bundle" });
  });
}

export default {
  async render({ model, el }) {
    el.textContent = "Clawdbot …";
    loading ??= fromServer().catch(() => fromKernel(model));
    loading.catch(() => (loading = undefined));
    const { base, embed } = await loading;
    return embed.renderWidget({ model, el, base });
  },
};
