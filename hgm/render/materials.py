"""Unlit materials, as trees of Blender's shader nodes: a surface that emits its texture."""

from __future__ import annotations

from typing import Any

SHADE = "shade"  # the mesh's attribute that a shaded material reads
# sRGB to linear light (IEC 61966-2-1): v / SLOPE up to KNEE, else ((v + SHIFT) / (1 + SHIFT))^POWER
SLOPE = 12.92
KNEE = 0.04045
SHIFT = 0.055
POWER = 2.4


def emitter(bpy: Any, image: Any) -> Any:
    """A material that emits the colors of an image: where it is seen a picture has its bytes."""
    material, texture, emission = _unlit(bpy, image)
    material.node_tree.links.new(texture.outputs["Color"], emission.inputs["Color"])
    return material


def shaded_emitter(bpy: Any, image: Any) -> Any:
    """The same, with the bytes multiplied by the mesh's attribute `shade`.

    Cycles works in linear light, in which half is not half of a byte. So the image is one whose
    bytes are taken as they are (`Non-Color`), and what Blender does to others, from sRGB to linear
    light, comes after the product.
    """
    material, texture, emission = _unlit(bpy, image)
    tree = material.node_tree
    attribute = tree.nodes.new("ShaderNodeAttribute")
    attribute.attribute_name = SHADE
    product = tree.nodes.new("ShaderNodeVectorMath")
    product.operation = "SCALE"
    parts = tree.nodes.new("ShaderNodeSeparateXYZ")
    color = tree.nodes.new("ShaderNodeCombineXYZ")
    tree.links.new(texture.outputs["Color"], product.inputs[0])
    tree.links.new(attribute.outputs["Fac"], product.inputs["Scale"])
    tree.links.new(product.outputs[0], parts.inputs[0])
    for axis in "XYZ":
        tree.links.new(_linear(tree, parts.outputs[axis]), color.inputs[axis])
    tree.links.new(color.outputs[0], emission.inputs["Color"])
    return material


def _unlit(bpy: Any, image: Any) -> tuple[Any, Any, Any]:
    """A material with the nodes of its texture and of its emission, not linked yet."""
    material = bpy.data.materials.new("scan")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    texture = tree.nodes.new("ShaderNodeTexImage")
    emission = tree.nodes.new("ShaderNodeEmission")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    texture.image = image
    texture.extension = "EXTEND"
    texture.interpolation = "Linear"
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    # else Cycles builds a light tree over every triangle: 0.8 s a scan
    material.cycles.emission_sampling = "NONE"
    return material, texture, emission


def _linear(tree: Any, value: Any) -> Any:
    """The socket of an sRGB value in linear light."""

    def math(operation: str, *inputs: Any) -> Any:
        node = tree.nodes.new("ShaderNodeMath")
        node.operation = operation
        for socket, given in zip(node.inputs, inputs, strict=False):
            if isinstance(given, float):
                socket.default_value = given
            else:
                tree.links.new(given, socket)
        return node.outputs[0]

    low = math("DIVIDE", value, SLOPE)
    high = math("POWER", math("DIVIDE", math("ADD", value, SHIFT), 1 + SHIFT), POWER)
    above = math("GREATER_THAN", value, KNEE)
    return math("MULTIPLY_ADD", above, math("SUBTRACT", high, low), low)
