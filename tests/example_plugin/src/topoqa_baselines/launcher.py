"""The launcher `nice`: trainings that give way to whatever else the machine has to do."""

from topoqa_train.api import ChildLauncher


class NiceLauncher(ChildLauncher):
    """The default launcher, its processes at a low priority."""

    command = ("nice", "-n", "10", *ChildLauncher.command)
