"""Names of variants, baselines, metrics and stages in the report."""

from hgm.systems.hgm.variants import RENDER

VARIANT_NAMES = {
    "full": "HGM, full",
    "no_diffusion": "without diffusion",
    "one_view": "one view only",
    "no_refine": "body not refined",
    "no_body": "without SMPL-X branch",
    "front_only": "body refined by the front alone",
    "pymafx": "first body by PyMAF-X",
    "pymafx_front_only": "by PyMAF-X, refined by the front alone",
    "coarse": "coarse stage alone",
    "textured_body": "photo painted on the body",
    "copy_nearest": "copy of the photo",
}
STAGE_NAMES = {
    "coarse": "Coarse HGM",
    "coarse_no_body": "Coarse HGM, no SMPL-X branch",
    "base": "Latent diffusion base",
    "base vae": "Diffusion base: autoencoder",
    "base unet": "Diffusion base: denoiser",
    "controlnet": "ControlNet",
    "normals": "Normals from a picture",
    "fusion": "Fusion HGM",
    "fusion_no_body": "Fusion HGM, no SMPL-X branch",
}
# column: label, digits, which direction is better ("" = neither)
COLUMNS = {
    "psnr": ("PSNR", 2, "higher"),
    "ssim": ("SSIM", 4, "higher"),
    "ms_ssim": ("MS-SSIM", 4, "higher"),
    "lpips": ("LPIPS", 4, "lower"),
    "chamfer_cm": ("Chamfer", 3, "lower"),
    "p2s_cm": ("P2S", 3, "lower"),
    "s2p_cm": ("S2P", 3, "lower"),
    "normal_consistency": ("Normals", 4, "higher"),
    "initial_mpjpe_mm": ("first", 1, "lower"),
    "mpjpe_mm": ("refined", 1, "lower"),
    "initial_pa_mpjpe_mm": ("first", 1, "lower"),
    "pa_mpjpe_mm": ("refined", 1, "lower"),
    "kid_e3": ("KID ×10³", 2, "lower"),
    "subjects": ("subjects", 0, ""),
}


def row_name(row: str) -> str:
    """The title of a row of a table."""
    name = VARIANT_NAMES.get(row.removesuffix(RENDER), row)
    return f"{name}, render" if row.endswith(RENDER) and name != row else name
